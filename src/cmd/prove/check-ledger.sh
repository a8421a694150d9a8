#!/bin/sh
# Is this recording in the ledger of the host that made it, with this manifest?
#
#     sh check-ledger.sh
#
# Reads in this folder:
#   checkpoint       the ledger's signed head (c2sp.org/tlog-checkpoint)
#   *.tlog-proof     an entry, and its way to that head (c2sp.org/tlog-proof)
#   allowed_signers  the keys whose heads are trusted
#   *.manifest.json  the recording's manifest, and older ones
# Needs a shell, OpenSSL 3 and jq. Prints each entry, and then OK; or what is wrong.
set -eu
LC_ALL=C
export LC_ALL
no() { echo "NOT PROVEN: $*" >&2; exit 1; }
bytes() { openssl base64 -d -A; }
sha256() { openssl dgst -sha256 -binary; }
text() { openssl base64 -A; }
number() { case $1 in '' | 0?* | *[!0-9]*) no "$1 is no number" ;; esac; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# 1. The head is signed. Name, size and root are the signed text; behind an empty line is the signature, in which 4 bytes
#    that tell keys apart precede the 64 of Ed25519. A key as OpenSSL reads it is 12 fixed bytes (RFC 8410) and the 32
#    that are the last of OpenSSH's form. A key that was replaced has valid-before, in UTC: no head says when it was
#    signed, so all entries here must be of before that (step 3). Without the Z it would be of some local time, and the
#    key does not count.
sed '/^$/,$d' checkpoint >"$work/signed"
{ read -r name && read -r size && read -r root; } <"$work/signed" || no "checkpoint is no head"
number "$size"
by= until=0
sed '/^[[:space:]]*#/d; /cert-authority/d; /namespaces="hrec-ledger"/!d' allowed_signers >"$work/keys"
while read -r line; do
	key=${line#*ssh-ed25519 } before=99999999999999
	[ "$key" != "$line" ] || continue
	key=${key%% *}
	case $line in
		*valid-before=*)
			before=$(printf %s "$line" | sed -n 's/.*valid-before="\([0-9]*\)[Zz]".*/\1/p')
			case ${#before} in 8) before=${before}000000 ;; 12) before=${before}00 ;; 14) ;; *) continue ;; esac
			;;
	esac
	{ printf '0*0\005\006\003+ep\003!\000'; printf %s "$key" | bytes | tail -c 32; } >"$work/key"
	for signature in $(sed '1,/^$/d; s/.* //' checkpoint); do
		printf %s "$signature" | bytes | tail -c 64 >"$work/signature"
		if openssl pkeyutl -verify -pubin -keyform DER -inkey "$work/key" -rawin -in "$work/signed" \
			-sigfile "$work/signature" >"$work/said" 2>&1 && [ "$before" -gt "$until" ]; then
			by=$key until=$before
		fi
	done
done <"$work/keys"
[ "$by" ] || no "nobody in allowed_signers has signed the head"
echo "head of $name, $size entries, signed by $by"

# 2. Each entry is in the tree whose root the head has: RFC 9162, section 2.1.3.2. An entry is SHA-256 of 16 random bytes
#    and the record; a leaf is SHA-256 of a byte 0 and the entry; a node, of a byte 1 and the two below it.
node() { { printf '\001'; printf %s "$1" | bytes; printf %s "$2" | bytes; } | sha256 | text; }
id='' started='' manifest='' before=-1
for proof in *.tlog-proof; do
	{ read -r form && read -r extra && read -r index; } <"$proof" || no "$proof is no proof"
	[ "$form" = c2sp.org/tlog-proof@v1 ] || no "$proof is no proof"
	extra=${extra#extra } index=${index#index }
	number "$index"
	[ "$index" -gt "$before" ] || no "$proof: entry $index is not in its order"
	before=$index
	[ "$index" -lt "$size" ] || no "$proof: there is no entry $index"
	hash=$({ printf '\000'; printf %s "$extra" | bytes | sha256; } | sha256 | text)
	at=$index last=$((size - 1))
	for other in $(sed '1,3d; /^$/,$d' "$proof"); do
		[ "$last" -gt 0 ] || no "$proof: the way is too long"
		if [ $((at % 2)) = 1 ] || [ "$at" = "$last" ]; then
			hash=$(node "$other" "$hash")
			while [ $((at % 2)) = 0 ] && [ "$at" -gt 0 ]; do at=$((at / 2)) last=$((last / 2)); done
		else
			hash=$(node "$hash" "$other")
		fi
		at=$((at / 2)) last=$((last / 2))
	done
	[ "$last" = 0 ] && [ "$hash" = "$root" ] || no "$proof: entry $index is not in this ledger"
	printf %s "$extra" | bytes | tail -c +17 >"$work/record"
	echo "entry $index: $(jq -ac . "$work/record")"

	# 3. It is about this recording, as all of them are, and of a time at which the key that signed the head counts.
	own=$(jq -r .id "$work/record")
	[ "$own" = "${id:=$own}" ] && [ -f "$id.manifest.json" ] || no "$proof: entry $index is about another recording"
	at=$(jq -r .t "$work/record" | tr -dc 0-9 | head -c 14)
	[ ${#at} = 14 ] || no "$proof: entry $index has no time"
	[ "$at" -lt "$until" ] || no "$proof: entry $index is from after the key that signed the head was replaced"
	case $(jq -r .k "$work/record") in
		start) started=$(jq -r .t "$work/record") ;;
		*) manifest=$(jq -r '.manifest_sha256 // empty' "$work/record") ;;
	esac
done

# 4. The last of them has the manifest that lies here.
[ "$started" ] || no "no entry says that it was started"
[ "$manifest" ] || no "no entry says how it ended"
[ "$manifest" = "$(openssl dgst -sha256 -r "$id.manifest.json" | cut -d ' ' -f 1)" ] ||
	no "the ledger has another manifest"
[ "$(jq -r .id "$id.manifest.json")" = "$id" ] || no "the manifest is of another recording"
echo "OK: $id, in the ledger since $started"
