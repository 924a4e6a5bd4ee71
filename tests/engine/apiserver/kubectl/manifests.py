"""What the tests of this folder apply."""

from __future__ import annotations

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: nginx, image: "nginx:1.27", ports: [{containerPort: 80}]}]}
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: nginx, image: "nginx:1.27"}]}
"""
NODE = """\
apiVersion: v1
kind: Node
metadata: {name: NAME}
"""
