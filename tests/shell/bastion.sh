#!/usr/bin/env bash
# A host whose people have hrec as their login shell, in namespaces of its own:
# nothing of the machine's /etc is changed, and all its processes end with it.
# Called by unshare --mount --pid --fork --kill-child --mount-proc; arguments:
# a directory, hrec, the port, a recipient, and what is added to config.toml.
set -euo pipefail
base=$1 hrec=$2 port=$3 recipient=$4 config=$5
page=${BASH_SOURCE[0]%/*}/../../man/hrec-bastion.7

cp -a /etc "$base/etc"
etc=$base/etc
sed -i '/^hrec:/d' "$etc/group"
[[ ! -e $etc/gshadow ]] || sed -i '/^hrec:/d' "$etc/gshadow"
rm -rf "$etc/hrec"
mount --bind "$etc" /etc
person() {
    local name=$1 id=$2 shell=$3
    echo "$name:x:$id:" >>"$etc/group"
    echo "$name:x:$id:$id::$base/home/$name:$shell" >>"$etc/passwd"
    echo "$name:*:19000::::::" >>"$etc/shadow"
    mkdir -p "$base/home/$name/.ssh"
    cp "$base/work/user_key.pub" "$base/home/$name/.ssh/authorized_keys"
    chown -R "$id:$id" "$base/home/$name"
    chmod 700 "$base/home/$name"
}
# By their shell alone; by a forced command too; by the link's name; by the
# configuration; without hrec; and one with a shell that reads a file first.
person alice 64101 /bin/bash
person bob 64102 "$base/bin/hrec-shell"
person zoe 64103 "$base/bin/hrec-shell-zsh"
person dan 64104 "$base/bin/hrec-shell"
person carol 64105 /bin/bash
person rescue 64106 "$base/bin/hrec-shell"
person eve 64107 /bin/bash

# Not on a file system that ignores the set-group-ID bit.
mkdir "$base/bin"
mount -t tmpfs -o mode=755 none "$base/bin"
# As hrec-bastion(7) has it, to the letter but for two places and a number.
(
    mkdir "$base/unpacked"
    cd "$base/unpacked"
    cp "$hrec" hrec
    sed -n '/^\.Ss Setting it up/,/^\.Ed/p' "$page" | sed -e '1,/^\.Bd/d' -e '/^\.Ed/d' -e 's/\\(aq/'"'/g" \
        -e 's/^groupadd/& --gid 64100/' -e "s#/usr/bin#$base/bin#g" -e "s#/var/lib/hrec#$base/store#g" >commands
    sed -i "s#^ln -s hrec #cd $base/bin; &#" commands
    sed -i "s#^install -d #cd $base/unpacked; &#" commands
    set -x
    . ./commands
)
ln -s hrec "$base/bin/hrec-shell-zsh"
echo "$base/bin/hrec-shell-zsh" >>"$etc/shells"

cat >"$etc/hrec/config.toml" <<TOML
locked = ["*"]
[record]
mode = "strict"
recipients = ["$recipient"]
rescue_users = ["rescue"]
[store]
path = "$base/store"
min_free = "1MiB"
[seal]
key = "/etc/hrec/signing_key"
$config
TOML

# Terminals of its own, so that a user of the same number elsewhere owns none.
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 none /dev/pts
mount --bind /dev/pts/ptmx /dev/ptmx
mkdir -p /run/sshd
cat >/etc/ssh/sshd_config <<SSHD
ListenAddress 127.0.0.1:$port
HostKey $base/work/host_key
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
PrintMotd no
PrintLastLog no
MaxStartups 500:30:1000
MaxSessions 100
ExposeAuthInfo yes
AcceptEnv LANG LC_* TRIED_*
Subsystem sftp /usr/lib/openssh/sftp-server
Match User bob,eve
    ForceCommand $base/bin/hrec shell
SSHD
if [[ ${6:-} == broken ]]; then
    chmod 755 "$base/bin/hrec"
    chmod 777 "$base/store"
    chmod 775 /etc/hrec
    sed -i /hrec/d /etc/shells
    sed -i '/^recipients/d' /etc/hrec/config.toml
    cp "$base/config/hrec/identity.txt" /etc/hrec/identity.txt
    rm /etc/hrec/ledger_key
    chgrp root /etc/hrec/signing_key
    sed -i 1d /etc/hrec/allowed_signers
    sed -i -e 's/^AcceptEnv.*/AcceptEnv */' -e 's/^Subsystem.*/Subsystem sftp internal-sftp/' \
        -e '1i PermitUserEnvironment yes' /etc/ssh/sshd_config
fi
if [[ ${6:-} == collector ]]; then
    sed -i "s#^min_free#collector = \"$base/collector\"\n&#" /etc/hrec/config.toml
    mkdir "$base/keeper"
    HOME="$base/keeper" "$base/bin/hrec" collect &
    until [[ -S $base/collector ]]; do sleep 0.05; done
fi
# What the host's root would be told.
{ "$base/bin/hrec" doctor --bastion --json || :; } >"$base/doctor.json"
/usr/sbin/sshd -D -e &
wait $!
