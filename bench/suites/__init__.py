# SPDX-License-Identifier: GPL-3.0-or-later
"""Define the suites. Each module has ``comparisons``, which prepares the nodes and returns the comparisons."""
