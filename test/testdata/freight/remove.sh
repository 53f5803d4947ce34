#!/bin/bash
# Removes the freight network: the spoke before the hub that it hangs on.
set -euo pipefail
az group delete --subscription Platform -n rg-freight --yes --only-show-errors
az group delete --subscription Hub -n rg-hub --yes --only-show-errors
