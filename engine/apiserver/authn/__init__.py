"""Who is asking: certificates, tokens of service accounts, static tokens; and on whose behalf.

The transport asks `authenticator.Authenticator` once per request. Nothing here decides what anybody may do.
"""
