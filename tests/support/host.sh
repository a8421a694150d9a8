# shellcheck shell=bash
# A host of one's own, in the namespaces of the calling script: its /etc, /run
# and what it keeps are below $base, and end with it. Read by the scripts that
# unshare --mount starts, which have set $base.
etc=$base/etc

private_host() {
    cp -a /etc "$etc"
    sed -i '/^hrec:/d' "$etc/group" "$etc/passwd" "$etc/shadow"
    [[ ! -e $etc/gshadow ]] || sed -i '/^hrec:/d' "$etc/gshadow"
    rm -rf "$etc/hrec"
    mount --bind "$etc" /etc
    mkdir -p "$base/var/lib" "$base/store"
    # The directories as the packages made them, without the machine's jobs.
    cp -a /var/spool "$base/var"
    find "$base/var/spool" -type f ! -name .SEQ -delete
    mount --bind "$base/var/lib" /var/lib
    mount --bind "$base/var/spool" /var/spool
    mount -t tmpfs -o mode=755 none /run
    mkdir -p /run/sshd
    # Not on a file system that ignores the set-group-ID bit.
    mkdir "$base/bin"
    mount -t tmpfs -o mode=755 none "$base/bin"
    # Terminals of its own, so that a user of the same number elsewhere owns
    # none.
    mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 none /dev/pts
    mount --bind /dev/pts/ptmx /dev/ptmx
}

# person NAME NUMBER SHELL
person() {
    local name=$1 id=$2 shell=$3
    echo "$name:x:$id:" >>"$etc/group"
    echo "$name:x:$id:$id::$base/home/$name:$shell" >>"$etc/passwd"
    echo "$name:*:19000::::::" >>"$etc/shadow"
    mkdir -p "$base/home/$name/.ssh"
    [[ ! -e $base/work/user_key.pub ]] || cp "$base/work/user_key.pub" "$base/home/$name/.ssh/authorized_keys"
    chown -R "$id:$id" "$base/home/$name"
    chmod 700 "$base/home/$name"
}
