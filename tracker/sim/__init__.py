"""Simulated exchanges over HTTP, on this machine: real wire formats, made-up or recorded markets."""
