# The version is what the installed header says. As with the library's SONAME, before 1.0 versions of another minor number are
# others, and from then on versions of another major number.

file(STRINGS "${CMAKE_CURRENT_LIST_DIR}/../../../include/nodelock.h" _nodelock_lines
    REGEX "^#define NODELOCK_VERSION_(MAJOR|MINOR|PATCH) [0-9]+$")
string(REGEX MATCHALL "[0-9]+" _nodelock_numbers "${_nodelock_lines}")
list(JOIN _nodelock_numbers "." PACKAGE_VERSION)

string(REGEX MATCH "^(0\\.[0-9]+|[1-9][0-9]*)" _nodelock_series "${PACKAGE_VERSION}")
string(REGEX MATCH "^(0(\\.[0-9]+)?|[1-9][0-9]*)" _nodelock_wanted "${PACKAGE_FIND_VERSION}")
set(PACKAGE_VERSION_COMPATIBLE FALSE)
set(PACKAGE_VERSION_EXACT FALSE)
if(PACKAGE_VERSION VERSION_GREATER_EQUAL PACKAGE_FIND_VERSION AND _nodelock_series STREQUAL _nodelock_wanted)
    set(PACKAGE_VERSION_COMPATIBLE TRUE)
    if(PACKAGE_VERSION VERSION_EQUAL PACKAGE_FIND_VERSION)
        set(PACKAGE_VERSION_EXACT TRUE)
    endif()
endif()
