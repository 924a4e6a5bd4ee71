"""Rules for pod specs, wherever they stand: in Pods and in the templates of workloads. Defaults and validation.

Sources: pkg/apis/core/v1/defaults.go and pkg/apis/core/validation/validation.go. Validators append to a list of errors
and take paths as text, so that a valid pod costs no more than looking at it.
"""
