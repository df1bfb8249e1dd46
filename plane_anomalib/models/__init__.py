"""Point-cloud anomaly detection models."""
