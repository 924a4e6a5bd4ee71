"""HorizontalPodAutoscaler in both its versions."""
