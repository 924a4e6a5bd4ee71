"""concepts/workloads/controllers/daemonset and tasks/manage-daemon: updates, rollbacks, tolerations."""

from tests.engine.runtime.pages.shell import Shell

FLUENTD = """\
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: fluentd-elasticsearch
  namespace: kube-system
  labels: {k8s-app: fluentd-logging}
spec:
  selector:
    matchLabels: {name: fluentd-elasticsearch}
  updateStrategy:
    type: RollingUpdate
    rollingUpdate: {maxUnavailable: 1}
  template:
    metadata:
      labels: {name: fluentd-elasticsearch}
    spec:
      terminationGracePeriodSeconds: 0
      tolerations:
      - {key: node-role.kubernetes.io/control-plane, operator: Exists, effect: NoSchedule}
      containers:
      - name: fluentd-elasticsearch
        image: fluentd:v2.5.2
"""
DS = "ds/fluentd-elasticsearch -n kube-system"


async def test_rolling_update_and_rollback(shell: Shell) -> None:
    # One machine is the control plane's: the toleration lets the daemon there, too.
    await shell.run("taint nodes m1 node-role.kubernetes.io/control-plane:NoSchedule")
    assert await shell.apply(FLUENTD) == "daemonset.apps/fluentd-elasticsearch created"
    row = ["fluentd-elasticsearch", "3", "3", "3", "3", "3", "<none>"]
    await shell.shows("get ds -n kube-system", [row])
    assert await shell.run(f"get {DS} -o go-template={{{{.spec.updateStrategy.type}}}}") == "RollingUpdate"
    await shell.run("set image ds/fluentd-elasticsearch fluentd-elasticsearch=fluentd:v2.6.0 -n kube-system")
    said = await shell.run(f"rollout status {DS}")
    assert said.splitlines()[-1] == 'daemon set "fluentd-elasticsearch" successfully rolled out'
    history = (await shell.run(f"rollout history {DS}")).splitlines()
    assert [line.split() for line in history] == [
        ["daemonset.apps/fluentd-elasticsearch"], ["REVISION", "CHANGE-CAUSE"], ["1", "<none>"], ["2", "<none>"],
    ]  # fmt: skip
    detail = await shell.run(f"rollout history {DS} --revision=1")
    assert detail.splitlines()[0] == "daemonset.apps/fluentd-elasticsearch with revision #1"
    assert "fluentd:v2.5.2" in detail
    said = await shell.run(f"rollout undo {DS} --to-revision=1")
    assert said == "daemonset.apps/fluentd-elasticsearch rolled back"
    await shell.run(f"rollout status {DS}")
    images = await shell.run("get pods -n kube-system -o jsonpath={.items[*].spec.containers[0].image}")
    assert images.split() == ["fluentd:v2.5.2"] * 3
    rows = await shell.rows("get controllerrevision -n kube-system -l name=fluentd-elasticsearch")
    assert sorted((row[1], row[2]) for row in rows) == [
        ("daemonset.apps/fluentd-elasticsearch", "2"), ("daemonset.apps/fluentd-elasticsearch", "3"),
    ]  # fmt: skip


async def test_pods_tolerate_what_the_page_lists_and_go_where_labels_say(shell: Shell) -> None:
    await shell.run("label node m2 ssd=true")
    selecting = FLUENTD.replace("    spec:\n      term", "    spec:\n      nodeSelector: {ssd: 'true'}\n      term")
    await shell.apply(selecting)
    await shell.shows(
        "get ds -n kube-system", [["fluentd-elasticsearch", "1", "1", "1", "1", "1", "ssd=true"]]
    )  # fmt: skip
    (pod,) = (await shell.get("pods -n kube-system"))["items"]
    assert pod["spec"]["nodeName"] == "m2"
    tolerated = {(t["key"], t["effect"]) for t in pod["spec"]["tolerations"]}
    assert tolerated >= {
        ("node.kubernetes.io/not-ready", "NoExecute"),
        ("node.kubernetes.io/unreachable", "NoExecute"),
        ("node.kubernetes.io/disk-pressure", "NoSchedule"),
        ("node.kubernetes.io/memory-pressure", "NoSchedule"),
        ("node.kubernetes.io/pid-pressure", "NoSchedule"),
        ("node.kubernetes.io/unschedulable", "NoSchedule"),
    }
    await shell.run("label node m3 ssd=true")
    await shell.shows("get ds -n kube-system", [["fluentd-elasticsearch", "2", "2", "2", "2", "2", "ssd=true"]])
    await shell.run("label node m2 ssd-")
    await shell.shows("get pods -n kube-system -o wide", lambda rows: [row[6] for row in rows] == ["m3"])
