#!/bin/sh
# install.sh SET [UNUSED...]: an environment in /opt/recsys with the package and a locked SET of requirements/, without the
# packages UNUSED, without what only developing needs, and with a list of what is in it.
set -eu
set=$1
shift

# lightfm-next is compiled here, by itself with -march=native: another processor than this one may not know the result.
export LIGHTFM_NO_CFLAGS=1 CFLAGS='-ffast-math -fno-finite-math-only'

# Compiled once, below: what pip compiles holds the time at which it was installed.
export PIP_COMPILE=0

python3 -m venv --without-pip /opt/recsys
if [ "$set" = train ]; then
    python3 torch_cpu.py --python /opt/recsys/bin/python
fi
python3 locked.py --python /opt/recsys/bin/python --package . --files files.json "$set"
# It needs the compiler's OpenMP, which slim bases do not have.
cp -L "$(gcc -print-file-name=libgomp.so.1)" /opt/recsys/lib/
# setuptools has built the package, and nothing that runs needs it.
pip --python /opt/recsys/bin/python uninstall --quiet --yes setuptools "$@"
./slim.sh /opt/recsys/lib/python3*/site-packages
/opt/sbom/bin/cyclonedx-py environment /opt/recsys/bin/python --output-reproducible -o /opt/recsys/sbom.cdx.json
/opt/recsys/bin/python -m infra.supply.image_sbom /opt/recsys/sbom.cdx.json files.json requirements/torch.sha256
# Two builds have the same files: the compiled ones name no time, and are not compared with their source at each start. -f
# also compiles what a build has imported and so compiled before. Some packages have files for other Pythons, which do not
# compile.
/opt/recsys/bin/python -m compileall -q -f --invalidation-mode unchecked-hash /opt/recsys/lib/python3*/site-packages \
    >/dev/null || :
