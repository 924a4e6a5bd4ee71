"""NetworkPolicies as nft rules: what is known of them (state), the rules for it (pure), and their part of the table.

Source of the rules' meaning: the NetworkPolicy API (networking.k8s.io/v1) and its page in the Kubernetes documentation.
"""
