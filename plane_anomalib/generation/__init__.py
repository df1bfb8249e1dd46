"""Makes data: shapes, specimens, scans, defects, benchmark folders."""
