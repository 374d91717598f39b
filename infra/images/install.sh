#!/bin/sh
# install.sh EXTRAS [UNUSED...]: an environment in /opt/recsys with the package and EXTRAS, without the packages UNUSED,
# without what only developing needs, and with a list of what is in it.
set -eu
extras=$1
shift

# lightfm-next is compiled here, by itself with -march=native: another processor than this one may not know the result.
export LIGHTFM_NO_CFLAGS=1 CFLAGS='-ffast-math -fno-finite-math-only'

python3 -m venv --without-pip /opt/recsys
in_recsys() { pip --python /opt/recsys/bin/python "$@"; }
case ",$extras," in
*,gru4rec,*) python3 torch_cpu.py --python /opt/recsys/bin/python ;;
esac
in_recsys install --quiet -c constraints.txt ".[$extras]"
# It needs the compiler's OpenMP, which slim bases do not have.
cp -L "$(gcc -print-file-name=libgomp.so.1)" /opt/recsys/lib/
if [ $# -gt 0 ]; then
    in_recsys uninstall --quiet --yes "$@"
fi
./slim.sh /opt/recsys/lib/python3*/site-packages
/opt/sbom/bin/cyclonedx-py environment /opt/recsys/bin/python --output-reproducible -o /opt/recsys/sbom.cdx.json
