"""Pod network, service rules and cluster DNS of this machine."""
