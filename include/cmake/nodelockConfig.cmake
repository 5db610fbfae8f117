# find_package(nodelock): what `cargo cinstall` has put into a prefix.
#
#   nodelock::nodelock   the shared library
#   nodelock::static     the static one, with what it needs of the system
#
# A component of either name, `shared` or `static`, makes it an error that it is not there.

get_filename_component(_nodelock_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
set(_nodelock_places
    HINTS "${_nodelock_prefix}"
    PATH_SUFFIXES lib lib64 "lib/${CMAKE_LIBRARY_ARCHITECTURE}"
    NO_DEFAULT_PATH NO_CACHE)

unset(_nodelock_shared)
unset(_nodelock_import)
if(WIN32)
    find_file(_nodelock_shared NAMES nodelock.dll HINTS "${_nodelock_prefix}/bin" NO_DEFAULT_PATH NO_CACHE)
    find_library(_nodelock_import NAMES nodelock.dll.lib libnodelock.dll.a ${_nodelock_places})
else()
    find_library(_nodelock_shared NAMES "${CMAKE_SHARED_LIBRARY_PREFIX}nodelock${CMAKE_SHARED_LIBRARY_SUFFIX}"
        ${_nodelock_places})
endif()
if(_nodelock_shared AND NOT TARGET nodelock::nodelock)
    add_library(nodelock::nodelock SHARED IMPORTED)
    set_target_properties(nodelock::nodelock PROPERTIES
        IMPORTED_LOCATION "${_nodelock_shared}"
        INTERFACE_INCLUDE_DIRECTORIES "${_nodelock_prefix}/include")
    if(WIN32)
        set_target_properties(nodelock::nodelock PROPERTIES
            IMPORTED_IMPLIB "${_nodelock_import}"
            INTERFACE_COMPILE_DEFINITIONS NODELOCK_SHARED)
    endif()
endif()

unset(_nodelock_static)
find_library(_nodelock_static NAMES "${CMAKE_STATIC_LIBRARY_PREFIX}nodelock${CMAKE_STATIC_LIBRARY_SUFFIX}"
    ${_nodelock_places})
if(_nodelock_static AND NOT TARGET nodelock::static)
    # What the library needs of the system is what the compiler said when it was built.
    get_filename_component(_nodelock_pc "${_nodelock_static}" DIRECTORY)
    file(STRINGS "${_nodelock_pc}/pkgconfig/nodelock.pc" _nodelock_needs REGEX "^Libs\\.private:")
    string(REGEX REPLACE "^Libs\\.private: *" "" _nodelock_needs "${_nodelock_needs}")
    separate_arguments(_nodelock_needs)
    add_library(nodelock::static STATIC IMPORTED)
    set_target_properties(nodelock::static PROPERTIES
        IMPORTED_LOCATION "${_nodelock_static}"
        INTERFACE_INCLUDE_DIRECTORIES "${_nodelock_prefix}/include"
        INTERFACE_LINK_LIBRARIES "${_nodelock_needs}")
endif()

set(nodelock_shared_FOUND FALSE)
if(TARGET nodelock::nodelock)
    set(nodelock_shared_FOUND TRUE)
endif()
set(nodelock_static_FOUND FALSE)
if(TARGET nodelock::static)
    set(nodelock_static_FOUND TRUE)
endif()
set(nodelock_FOUND FALSE)
if(nodelock_shared_FOUND OR nodelock_static_FOUND)
    set(nodelock_FOUND TRUE)
else()
    set(nodelock_NOT_FOUND_MESSAGE "No library of nodelock's under ${_nodelock_prefix}.")
endif()
foreach(_nodelock_component IN LISTS nodelock_FIND_COMPONENTS)
    if(nodelock_FIND_REQUIRED_${_nodelock_component} AND NOT nodelock_${_nodelock_component}_FOUND)
        set(nodelock_FOUND FALSE)
        set(nodelock_NOT_FOUND_MESSAGE "No ${_nodelock_component} library of nodelock's under ${_nodelock_prefix}.")
    endif()
endforeach()
