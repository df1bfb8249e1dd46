"""Thin, typed point-cloud geometry over well-kept libraries; knows no model."""
