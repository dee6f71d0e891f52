# The bill of materials of a wheel: CycloneDX's JSON, in the wheel's .dist-info/sboms as PEP 770 says. It lists what was
# compiled into the extension module beside the core itself; what the package imports is in the wheel's metadata.
function(version_in header prefix result)
  file(READ "${header}" text)
  set(version "")
  foreach(part IN ITEMS MAJOR MINOR PATCH)
    if(NOT text MATCHES "#define ${prefix}_${part} +([0-9]+)")
      message(FATAL_ERROR "sbom: need ${prefix}_${part} in ${header}")
    endif()
    list(APPEND version ${CMAKE_MATCH_1})
  endforeach()
  list(JOIN version . version)
  set(${result} "${version}" PARENT_SCOPE)
endfunction()

version_in("${NB_DIR}/include/nanobind/nanobind.h" NB_VERSION NANOBIND_VERSION)
version_in("${NB_DIR}/ext/robin_map/include/tsl/robin_growth_policy.h" TSL_RH_VERSION ROBIN_MAP_VERSION)
set(CONVOLENS_PURL "pkg:pypi/convolens@${SKBUILD_PROJECT_VERSION}")
set(NANOBIND_PURL "pkg:pypi/nanobind@${NANOBIND_VERSION}")
set(ROBIN_MAP_PURL "pkg:github/tessil/robin-map@v${ROBIN_MAP_VERSION}")
set(CXX_LIBRARY "")
if(CMAKE_SYSTEM_NAME STREQUAL "Linux" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU") # linked in, as CMakeLists.txt says
  set(CXX_LIBRARY [[,
    {"type": "library", "name": "libstdc++", "version": "@CMAKE_CXX_COMPILER_VERSION@",
     "licenses": [{"expression": "GPL-3.0-or-later WITH GCC-exception-3.1"}]}]])
  string(CONFIGURE "${CXX_LIBRARY}" CXX_LIBRARY @ONLY)
endif()
configure_file(.ci/sbom.cdx.json.in convolens.cdx.json @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/convolens.cdx.json" DESTINATION "${SKBUILD_METADATA_DIR}/sboms")
