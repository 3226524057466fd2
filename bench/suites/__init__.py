# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured. Each module has ``comparisons``, which prepares the nodes and says what is compared with what."""
