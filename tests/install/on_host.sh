#!/usr/bin/env bash
# Runs a scenario on a host of its own, whose people still have the shells that
# they came with. Called by unshare --mount --pid --fork --kill-child
# --mount-proc; arguments: a directory, hrec, a recipient, the scenario.
set -euo pipefail
base=$1 hrec=$2 recipient=$3 scenario=$4
tests=${BASH_SOURCE[0]%/*}/..
. "$tests/support/host.sh"
private_host
person alice 64101 /bin/bash
person zoe 64102 /bin/zsh
person carol 64103 /bin/bash
person robot 64104 /usr/sbin/nologin
echo "people:x:64200:alice,zoe,robot,root" >>/etc/group
rm -f /etc/ssh/sshd_config.d/*.conf
cat >/etc/ssh/sshd_config <<SSHD
Include /etc/ssh/sshd_config.d/*.conf
X11Forwarding yes
Subsystem sftp internal-sftp -l INFO
SSHD

# Stand-ins are found first.
mkdir "$base/stand-ins"
PATH=$base/stand-ins:$PATH
stand_in() {
    printf '#!/bin/sh\n%s\n' "$2" >"$base/stand-ins/$1"
    chmod 755 "$base/stand-ins/$1"
}
installer() { "$tests/../install.sh" --bastion --prefix "$base" "$@"; }
install_it() { installer --recipient "$recipient" --group people --binary "$hrec" "$@"; }
# Everything that there is, each file by its content, owner, mode and time.
snapshot() {
    (
        cd /
        find etc var/lib run "${base#/}/bin" "${base#/}/share" \( -type f -printf '%p %m %u:%g %T@ ' -exec sha256sum {} \; \) \
            -o -printf '%p %y %m %u:%g %l\n' 2>/dev/null | sort
    )
}
# Only what is in them, as after a removal.
contents() { (cd / && find etc -type f ! -name '*-' ! -path 'etc/hrec/*' -exec sha256sum {} + | sort -k 2); }
shells() { getent passwd alice zoe carol robot | cut -d : -f 1,7 | sed "s#$base#PREFIX#" | paste -sd ' '; }
set +eu
. "$scenario"
