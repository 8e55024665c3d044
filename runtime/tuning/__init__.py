"""Which widths suit this device.

In comes a bundle with limits of time and memory; out comes a plan: the width of documents, that of queries, and their
precision. Open `width_plan.py` first, which chooses, keeps and reads plans; `cost.py` measures what each variant takes.
"""
