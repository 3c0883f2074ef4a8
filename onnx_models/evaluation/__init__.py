"""Evaluation: gold sets, metrics, peers, report."""
