#!/usr/bin/env bash
# Makes sure that a Chromium for the browser tests is on this machine. Quiet when
# there is nothing to do. Without one, and without a way to get one, the browser
# tests skip with a reason, or fail with REQUIRE_SERVICES=1.
set -eu
for name in chromium chromium-browser google-chrome google-chrome-stable; do
  command -v "$name" >/dev/null 2>&1 && exit 0
done
if ! command -v apt-get >/dev/null 2>&1; then
  echo "no Chromium found: install one so that the browser tests run" >&2
  exit 0
fi
sudo=
if [ "$(id -u)" != 0 ]; then
  sudo -n true 2>/dev/null || { echo "no Chromium found: sudo apt-get install chromium, so that the browser tests run" >&2; exit 0; }
  sudo=sudo
fi
echo "installing Chromium for the browser tests (once)" >&2
log=$(mktemp)
if ! { $sudo apt-get update -qq && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; } >"$log" 2>&1; then
  echo "Chromium could not be installed:" >&2
  tail -n 5 "$log" >&2
fi
rm -f "$log"
