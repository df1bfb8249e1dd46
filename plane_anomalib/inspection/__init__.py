"""For people with scans of their own: learn from good scans, judge others, look at the answer."""
