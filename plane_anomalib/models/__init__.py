"""Point-cloud anomaly detection models."""

# Importing anomalib's models registers ours with them (see registry.py); that must not happen
# half-way through one of ours.
import anomalib.models  # noqa: F401
