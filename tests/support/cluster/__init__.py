# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Debian nodes on one machine, by systemd-nspawn, for the scenarios in ``molecule/``.

``python -m cluster create`` reads ``molecule/inventory/hosts.yml`` (``plan``) and builds one image for each release
(``images``). Then it boots each node on a layer of memory above its image (``nodes``), in a control group of its own
(``groups``), on a bridge (``network``), reached by SSH with a key made for the occasion (``access``).

What a run leaves on the machine, and ``destroy`` removes, whatever moment the run was killed at:

- processes, all of them in the control group ``grid-security-cluster``;
- the bridge ``gs-cluster`` and links called ``vb-gs-…``;
- ``/run/grid-security-cluster``, which says whose cluster it is;
- ``build/cluster``, and images that are not complete.

Mounts are made in the nodes' own mount namespaces only, and go with the last process there.
"""
