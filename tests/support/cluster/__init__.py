# SPDX-License-Identifier: GPL-3.0-or-later
"""Run real Debian nodes on one machine by systemd-nspawn, for the scenarios in ``molecule/``.

``python -m cluster create`` reads ``molecule/inventory/hosts.yml`` (``plan``) and builds one image for each release
(``images``). Then it boots each node on a layer of memory above its image (``nodes``), in its own control group
(``groups``), on a bridge (``network``), with SSH access by a key for this cluster (``access``).

A run leaves the following on the machine. ``destroy`` removes it, also if the run was killed at any moment:

- processes, all of them in the control group ``grid-security-cluster``;
- the bridge ``gs-cluster`` and links called ``vb-gs-…``;
- ``/run/grid-security-cluster``, which names the owner of the cluster;
- ``build/cluster``, and images that are not complete.

Mounts are made only in the mount namespaces of nodes. They end with the last process there.
"""
