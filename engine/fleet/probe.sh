# Facts about a machine, one "key=value" a line between two marks. POSIX sh; changes nothing that stays.
# A value is one line. "try" runs a thing for real and reports "ok" or the first line of its complaint.
export PATH="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin:$PATH" LC_ALL=C
umask 077

say() { printf '%s=%s\n' "$1" "$(printf '%s' "$2" | tr '\n' ' ')"; }
have() { command -v "$1" >/dev/null 2>&1; }
try() { key=$1; shift; if out=$("$@" 2>&1); then say "$key" ok; else say "$key" "no: $(printf '%s' "$out" | head -n1)"; fi; }
first() { "$@" 2>/dev/null | head -n1; }

echo '--- facts'
say clock "$(date +%s.%N)"
say uid "$(id -u)"
say hostname "$(uname -n)"
say machine_id "$(cat /etc/machine-id 2>/dev/null)"
say kernel "$(uname -r)"
say uname_machine "$(uname -m)"
# Bytes 4 (class) and 18-19 (machine) of the ELF header: a 64-bit kernel may run a 32-bit userland.
say elf "$(od -An -tx1 -N20 /bin/sh 2>/dev/null | tr -d ' \n')"
say os_id "$(. /etc/os-release 2>/dev/null; echo "${ID:-}")"
say os_like "$(. /etc/os-release 2>/dev/null; echo "${ID_LIKE:-}")"
say os_version "$(. /etc/os-release 2>/dev/null; echo "${VERSION_ID:-}")"
say os_name "$(. /etc/os-release 2>/dev/null; echo "${PRETTY_NAME:-}")"
say libc "$(getconf GNU_LIBC_VERSION 2>/dev/null)"
if [ -d /run/systemd/system ]; then say init systemd; else say init "$(cat /proc/1/comm 2>/dev/null)"; fi
say apt "$(command -v apt-get)"

say memory_total_kb "$(awk '/^MemTotal:/ {print $2}' /proc/meminfo)"
say memory_available_kb "$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo)"
say swap "$(awk 'NR > 1 {print $1}' /proc/swaps)"

# The place where images and pods go: what is there already, else the file system that it would be made on.
data=/var/lib/pilothouse
[ -d $data ] || data=/var/lib
say data_free_kb "$(df -Pk $data | awk 'NR == 2 {print $4}')"
say data_type "$(stat -f -c %T $data 2>/dev/null)"
scratch=$(mktemp -d $data/.pilothouse-probe.XXXXXX 2>/dev/null)
if [ -n "$scratch" ]; then
  mkdir "$scratch/low" "$scratch/up" "$scratch/work" "$scratch/all"
  try overlay unshare -m sh -c "mount -t overlay overlay -o lowerdir=$scratch/low,upperdir=$scratch/up,workdir=$scratch/work $scratch/all && touch $scratch/all/x"
  rm -rf "$scratch/low" "$scratch/up" "$scratch/work/work" "$scratch/work" "$scratch/all"
  rmdir "$scratch"
else
  say overlay "no: cannot write to $data"
fi

if [ "$(stat -f -c %T /sys/fs/cgroup 2>/dev/null)" = cgroup2fs ]; then
  say cgroup_version 2
  say cgroup_controllers "$(cat /sys/fs/cgroup/cgroup.controllers)"
else
  say cgroup_version 1
  say cgroup_controllers "$(awk 'NR > 1 && $4 == 1 {print $1}' /proc/cgroups)"
fi
say cmdline "$(cat /proc/cmdline 2>/dev/null)"

try netns unshare -n true
if have ip; then
  try veth unshare -n ip link add name veth-a type veth peer name veth-b
  try bridge unshare -n ip link add name bridge-a type bridge
else
  say veth "no: no ip command"
  say bridge "no: no ip command"
fi
if have nft; then
  try nft unshare -n nft 'add table ip t; add chain ip t c { type nat hook postrouting priority 100; }; add rule ip t c masquerade; add map ip t m { type inet_service : verdict; }'
fi
if [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ]; then
  say bridge_netfilter ok
else
  try bridge_netfilter modprobe -n -q br_netfilter
fi
# CAP_SYS_RESOURCE is bit 24 of the bounding set; without it no process may lower its OOM score.
caps=$(awk '/^CapEff:/ {print $2}' /proc/self/status)
say sys_resource "$(( (0x${caps:-0} >> 24) & 1 ))"

# The distribution's Python first: one in /usr/local or a home may go away without notice.
for name in /usr/bin/python3 python3.14 python3.13 python3.12 python3.11 python3; do
  if have $name && $name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    say python "$(command -v $name)"
    say python_version "$($name -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')"
    try python_modules $name -c 'import ssl, venv, sqlite3, zipfile'
    break
  fi
done
have python3 && say python_default "$(first python3 --version)"

have containerd && say containerd "$(first containerd --version)"
have runc && say runc "$(first runc --version)"
have conntrack && say conntrack "$(first conntrack --version)"
have nft && say nft_version "$(first nft --version)"
for folder in /usr/lib/cni /opt/cni/bin; do
  [ -x $folder/bridge ] && [ -x $folder/host-local ] && say cni "$folder" && break
done

managers=
for name in k3s kubelet k0s microk8s; do
  if [ -d /var/lib/rancher/k3s ] && [ $name = k3s ]; then managers="$managers k3s"
  elif have systemctl && systemctl is-active --quiet $name 2>/dev/null; then managers="$managers $name"; fi
done
say managers "$managers"
listening=
for port in 6443 10250; do
  hex=$(printf '%04X' $port)
  # State 0A is LISTEN; the address may be loopback (0100007F) or any.
  if cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '{print $2, $4}' | grep -Eq "(0100007F|0{8}|0{32}):$hex 0A"; then
    listening="$listening $port"
  fi
done
say listening "$listening"
say sshd_forwarding "$( (sshd -T 2>/dev/null || /usr/sbin/sshd -T 2>/dev/null) | awk '$1 == "allowtcpforwarding" {print $2}')"
say dpkg_locked "$(have fuser && fuser /var/lib/dpkg/lock-frontend >/dev/null 2>&1 && echo yes)"
say cluster "$(cat /var/lib/pilothouse/cluster 2>/dev/null)"
say addresses "$(have ip && ip -o -4 addr show scope global 2>/dev/null | awk '{print $2 "=" $4}')"
say routes "$(have ip && ip -o -4 route show 2>/dev/null | awk '{print $1}')"
echo '--- end'
