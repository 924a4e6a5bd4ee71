# Ends everything that Pilothouse runs on this machine and takes its network, mounts and folders away. POSIX sh.
# What it cannot take away it names on stdout, one "left: ..." a line. Never removes through a mount.
export PATH="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin:$PATH" LC_ALL=C

# $1 is "running" for all that runs and is mounted, then "folders" for what lies on the disk; then $2 is "keep" where
# the folders of volumes are to stay. Those that did are named, one "kept: ..." a line.
folders="/etc/pilothouse /opt/pilothouse /var/lib/pilothouse /run/pilothouse"
data=/var/lib/pilothouse/volumes
python=/opt/pilothouse/current/bin/python

# Mounts below our folders, the innermost first. A folder that is a mount itself was so before us, and stays; so does a
# disk that somebody gave to the volumes.
below() { awk '{print $5}' /proc/self/mountinfo | while read -r at; do
  for folder in $folders; do case $at in "$data") ;; "$folder"/*) printf '%b\n' "$at" ;; esac; done; done | sort -r; }

if [ "$1" = folders ]; then
  # Never through a mount: what is under one may be anybody's.
  blocked=$(below)
  [ -n "$blocked" ] && { echo "$blocked" | sed 's/^/left: mount /'; exit 0; }
  for uid in $(ls /var/lib/pilothouse/pods 2>/dev/null); do rm -rf /var/log/pods/*_"$uid"; done
  rmdir /var/log/pods 2>/dev/null
  kept=
  if [ "$2" = keep ]; then
    kept=$(find $data -xdev -mindepth 1 -maxdepth 1 2>/dev/null | sort)
    [ -n "$kept" ] && echo "$kept" | sed 's/^/kept: /'
  elif [ -d $data ]; then
    find $data -xdev -mindepth 1 -delete 2>/dev/null
  fi
  for folder in $folders; do
    [ -d "$folder" ] || continue
    find "$folder" -xdev -mindepth 1 ! -path $data ! -path "$data/*" -delete 2>/dev/null
    [ -z "$kept" ] && [ "$folder" = "${data%/*}" ] && rmdir $data 2>/dev/null
    rmdir "$folder" 2>/dev/null
    [ -d "$folder" ] || continue
    rest=$(ls -A "$folder")
    [ -n "$rest" ] && ! { [ "$rest" = volumes ] && [ "$folder" = "${data%/*}" ] && [ -n "$kept" ]; } &&
      echo "left: folder $folder"
  done
  exit 0
fi

systemctl stop pilothouse-agent.service 2>/dev/null
# The gentle way first: the runtime stops its pods and gives their addresses back.
if [ -x $python ] && [ -S /run/pilothouse/containerd.sock ]; then
  timeout 90 $python -m nodeagent.teardown < /dev/null > /dev/null 2>&1
fi
systemctl stop pilothouse-containerd.service 2>/dev/null

# Processes: whatever lives in the pods' cgroups, and the runtime's shims.
groups() { find /sys/fs/cgroup -maxdepth 2 -type d -name pilothouse 2>/dev/null; }
pods() { groups | while read -r group; do find "$group" -name cgroup.procs -exec cat {} + 2>/dev/null; done | sort -u; }
# (The brackets keep grep from finding itself.)
shims() { grep -lsa -e '-address./run/pilothouse/container[d].sock' /proc/[0-9]*/cmdline | cut -d / -f 3; }
# A pod's network namespace lies in the folder that all of CNI shares: ours are those that our processes are in.
spaces=$(for pid in $(pods); do stat -L -c %i "/proc/$pid/ns/net" 2>/dev/null; done | sort -u)
for pid in $(shims) $(pods); do kill -9 "$pid" 2>/dev/null; done
n=0
while [ -n "$(pods)$(shims)" ] && [ $n -lt 50 ]; do
  for pid in $(shims) $(pods); do kill -9 "$pid" 2>/dev/null; done
  n=$((n + 1)); sleep 0.1
done
for pid in $(shims) $(pods); do echo "left: process $pid"; done

# Network: the namespaces (their ends of the veth pairs go with them), the bridge, routes and rules of ours.
for file in /run/netns/cni-*; do
  [ -e "$file" ] || continue
  inode=$(stat -c %i "$file")
  for space in $spaces; do
    [ "$space" = "$inode" ] && { umount "$file" 2>/dev/null; rm -f "$file"; }
  done
done
rmdir /run/netns 2>/dev/null
# The agent knows its own rules in other firewalls too; what follows is for when it cannot be run any more.
[ -x $python ] && timeout 60 $python -m nodeagent.network.teardown < /dev/null > /dev/null 2>&1
ip link delete ph0 2>/dev/null
ip link delete ph-vxlan 2>/dev/null
ip route flush proto 80 2>/dev/null
nft delete table ip pilothouse 2>/dev/null
nft delete table inet pilothouse 2>/dev/null
rm -rf /var/lib/cni/networks/pilothouse
for file in /var/lib/cni/results/pilothouse-*-eth0; do
  id=${file#/var/lib/cni/results/pilothouse-}
  rm -f "$file" "/var/lib/cni/results/cni-loopback-${id%-eth0}-lo"
done
# Folders that others may use as well: only if nobody does.
rmdir /var/lib/cni/networks /var/lib/cni/results /var/lib/cni /run/containerd/s /run/containerd 2>/dev/null
kubelet=/var/lib/kubelet
find $kubelet/plugins $kubelet/plugins_registry $kubelet/pods -depth -type d -exec rmdir {} + 2>/dev/null
rmdir $kubelet 2>/dev/null

for pass in 1 2 3; do
  below | while read -r at; do umount "$at" 2>/dev/null || { [ $pass = 3 ] && umount -l "$at" 2>/dev/null; }; done
done
below | sed 's/^/left: mount /'

groups | while read -r group; do find "$group" -depth -type d -exec rmdir {} + 2>/dev/null; done
groups | sed 's/^/left: cgroup /'
exit 0
