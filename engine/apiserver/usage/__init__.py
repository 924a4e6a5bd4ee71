"""The objects of metrics.k8s.io, measured on the machines when somebody asks. Knows neither HTTP nor the store."""
