from lab.cgroups import Hierarchy, parse_hierarchies

HYBRID = """\
23 1 254:0 / / rw,relatime - ext4 /dev/vda rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
36 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
37 31 0:33 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct
38 31 0:34 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset,clone_children
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/lib/systemd/agent,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
UNIFIED = "29 22 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"


def test_a_hybrid_computer_has_one_tree_for_each_mount_point() -> None:
    assert parse_hierarchies(HYBRID) == [
        Hierarchy(mount_point="/sys/fs/cgroup/cpu,cpuacct", version=1, options="cpu,cpuacct"),
        Hierarchy(mount_point="/sys/fs/cgroup/cpuset", version=1, options="cpuset"),
        Hierarchy(mount_point="/sys/fs/cgroup/memory", version=1, options="memory"),
        Hierarchy(mount_point="/sys/fs/cgroup/systemd", version=1, options="none,name=systemd"),
        Hierarchy(mount_point="/sys/fs/cgroup/unified", version=2),
    ]


def test_a_version_2_computer_has_one_tree() -> None:
    assert parse_hierarchies(UNIFIED) == [Hierarchy(mount_point="/sys/fs/cgroup", version=2)]


def test_cgroups_mounted_elsewhere_are_none_of_ours() -> None:
    assert parse_hierarchies(UNIFIED.replace("/sys/fs/cgroup", "/mnt/sys/fs/cgroup")) == []
