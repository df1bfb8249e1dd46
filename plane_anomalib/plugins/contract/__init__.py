"""What every registered model must do, however it finds anomalies.

`suite.CHECKS` are plain functions; `plane-anomalib check` runs them on any registered model, and
the package's tests on the built-in ones.
"""
