# Runs the sandbox's own tests as root and as a user nobody has named, each in a control group that is
# delegated as systemd would.
export PATH=/usr/bin:/bin:/usr/sbin:/sbin RUST_BACKTRACE=0 CI=1 GATEPOST_TEST_HAVE=group,x32
export GATEPOST_TEST_PROBE=/tmp/bin/gatepost-sbx-probe
echo "kernel $(uname -r), $(cat /sys/kernel/security/lsm), $(cat /sys/fs/cgroup/cgroup.controllers)"
ulimit -n 4096
cd /
groups=/sys/fs/cgroup
user=61234
echo "+cpu +memory +pids" >$groups/cgroup.subtree_control
delegate() {
    mkdir $groups/$1
    python3 -c "import os; os.setxattr('$groups/$1', 'user.delegate', b'1')"
    chown -R $2:$2 $groups/$1
}
# Left out: what an emulated processor is too slow for.
skip="--skip as_an_ordinary_user --skip languages_and_builds --skip endless_output --skip npm_installs \
      --skip builds_a_project"
tests() { "$@" /tmp/bin/it --color never --test-threads 2 $skip 2>&1; }
as_root() {
    delegate root 0
    echo $BASHPID >$groups/root/cgroup.procs
    HOME=/root tests env
}
as_user() {
    delegate user $user
    mkdir /tmp/user; chown $user:$user /tmp/user
    echo $BASHPID >$groups/user/cgroup.procs
    TMPDIR=/tmp/user HOME=/nonexistent tests setpriv --reuid $user --regid $user --clear-groups
}
(as_root) && echo "passed: root"
(as_user) && echo "passed: user"
