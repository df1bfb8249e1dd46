"""Shapes: solids whose surface is scattered with points, and implicit solids; families of both."""
