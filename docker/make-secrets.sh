#!/bin/sh
# Makes the three secrets that compose.yaml reads, once; what is there stays. Wants openssl. The folder `more` is for
# yours: a file there, named like a variable (RANKLOOP_EMAIL_URL), holds its value.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets/more
chmod 0755 secrets/more
for name in secret_key database_password redis_password; do
    [ -s "secrets/$name" ] && continue
    openssl rand -hex 32 > "secrets/$name.new"
    # The folder lets nobody in; inside the containers, where each file is mounted alone, its reader is not its owner.
    chmod 0444 "secrets/$name.new"
    mv "secrets/$name.new" "secrets/$name"
    echo "made secrets/$name"
done
