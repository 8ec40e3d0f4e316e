#!/bin/busybox sh
# The first process of the machine: this machine's own files, read-only, with an empty disk on /tmp.
exec </dev/console >/dev/console 2>&1
b=/bin/busybox
$b mount -t proc p /proc; $b mount -t sysfs s /sys; $b mount -t devtmpfs d /dev
for module in /modules/*.ko; do $b insmod $module; done
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576,cache=loose,ro host /host
$b mkdir /share; $b mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576,ro share /share
$b mount -t proc p /host/proc; $b mount -t sysfs s /host/sys; $b mount -t devtmpfs d /host/dev
$b mkdir -p /dev/pts /dev/shm; $b mount -t devpts d /host/dev/pts; $b mount -t tmpfs t /host/dev/shm
$b mount -t securityfs s /host/sys/kernel/security
$b mount -t cgroup2 c /host/sys/fs/cgroup
$b mount -t tmpfs t /host/run
$b mount -t ext4 /dev/vda /host/tmp; $b chmod 1777 /host/tmp
$b mkdir /host/tmp/bin; $b cp /share/* /host/tmp/bin/
$b ip link set lo up
# Not chroot: no user namespace can be made by a process in one.
exec $b switch_root /host /bin/bash -c '/bin/bash /tmp/bin/run.sh; busybox poweroff -f'
