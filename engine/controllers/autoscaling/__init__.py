"""HorizontalPodAutoscalers: as many pods as the load asks for. Pure, but for `controller`."""
