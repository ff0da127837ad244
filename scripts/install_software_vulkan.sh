#!/usr/bin/env bash
# Installs Vulkan's loader and Mesa's software driver (lavapipe), so that the `wgpu` backend runs on a
# Debian or Ubuntu machine without a GPU. For trying that backend, not for speed.
#
# With the driver installed, the parity suite on it is
#     cargo xtask conformance --device wgpu
# On a machine that has other drivers too, VK_DRIVER_FILES, set to the file that this script names,
# leaves only this one.
set -euo pipefail

if [[ "$(id -u)" != 0 ]]; then
    echo 'install_software_vulkan.sh: packages are installed by root; run it with sudo' >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends libvulkan1 mesa-vulkan-drivers vulkan-tools

shopt -s nullglob
driver=(/usr/share/vulkan/icd.d/lvp_icd*.json)
if [[ ${#driver[@]} == 0 ]]; then
    echo 'install_software_vulkan.sh: Mesa is installed but brought no lvp_icd*.json' >&2
    exit 1
fi
VK_DRIVER_FILES="${driver[0]}" VK_ICD_FILENAMES="${driver[0]}" vulkaninfo --summary 2>/dev/null |
    grep -E 'deviceName|driverInfo|apiVersion'
echo "driver: ${driver[0]}"
