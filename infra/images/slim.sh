#!/bin/sh
# slim.sh SITE_PACKAGES: removes what is only for testing or compiling libraries, and the symbols of their binaries.
set -eu
cd "$1"

find . -depth -type d \( -name tests -o -name test -o -name include \) -exec rm -r {} +
find . -type f \( -name '*.pyx' -o -name '*.pxd' -o -name '*.pyi' -o -name '*.c' -o -name '*.cpp' -o -name '*.h' \
    -o -name '*.a' \) -delete

# Of the descriptions of some 400 services, S3's is used; the files beside them tell endpoints and retries.
find botocore/data -mindepth 1 -maxdepth 1 -type d ! -name s3 -exec rm -r {} +

if [ -d torch ]; then
    find torch/bin -type f ! -name torch_shm_manager -delete
    # Its own test suite, of which `import torch` needs the rest.
    for tests in distributed generated opinfo optests common_methods_invocations.py; do
        rm -rf "torch/testing/_internal/$tests"
    done
    # What is behind torch.compile needs a C compiler, which the images do not have.
    rm -rf torch/_inductor
    rm -rf torch/share torch/lib/lib*_test.so torch/lib/libbackend_with_compiler.so torch/lib/libaoti_custom_ops.so
fi

# The libraries in *.libs have been patched to lie beside their package, and break when stripped.
find . -path './*.libs' -prune -o -type f -name '*.so*' -print | while read -r library; do
    strip --strip-unneeded "$library" 2>/dev/null || echo "not stripped: $library"
done
