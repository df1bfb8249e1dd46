"""ModelName: 3D point-cloud anomaly detection for anomalib."""
