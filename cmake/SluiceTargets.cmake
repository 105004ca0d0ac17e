# How every target of the project is compiled, and the two functions that make one.

find_program(SLUICE_CCACHE ccache)
if(SLUICE_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${SLUICE_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${SLUICE_CCACHE})
endif()
find_program(SLUICE_MOLD mold)
if(SLUICE_MOLD AND CMAKE_CXX_COMPILER_ID MATCHES "Clang|GNU")
  add_link_options(-fuse-ld=mold)
endif()

add_library(sluice_flags INTERFACE)
target_compile_options(sluice_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wcast-align -Wunused
  -Woverloaded-virtual -Werror -fno-omit-frame-pointer)
target_include_directories(sluice_flags INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 sees dangling pointers and overflows in the standard library that are not there.
  target_compile_options(sluice_flags INTERFACE -Wno-error=dangling-pointer -Wno-error=stringop-overflow
    -Wno-error=array-bounds -Wno-error=maybe-uninitialized -Wno-error=restrict -Wno-error=nonnull)
endif()
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  add_compile_options(-msse4.2)  # CRC32C; every x86-64 server since 2008 has it
endif()
if(SLUICE_SANITIZE)
  add_compile_options(-fsanitize=${SLUICE_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${SLUICE_SANITIZE})
endif()
if(SLUICE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# sluice_library(NAME [DEPENDS target...] [EXCLUDE file...]): the library of the current folder, all of its *.cc, *.c and
# *.proto files.
function(sluice_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;EXCLUDE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc ${CMAKE_CURRENT_SOURCE_DIR}/*.c)
  foreach(file ${ARG_EXCLUDE})
    list(REMOVE_ITEM sources ${CMAKE_CURRENT_SOURCE_DIR}/${file})
  endforeach()
  file(GLOB protos CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.proto)
  if(NOT sources AND NOT protos)
    file(GENERATE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${name}_empty.cc CONTENT "")
    set(sources ${CMAKE_CURRENT_BINARY_DIR}/${name}_empty.cc)
  endif()
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC sluice_flags ${ARG_DEPENDS})
  if(protos)
    # Generated code gets its own object library: it is not held to our warnings. It lies in the build directory under
    # its source's path, so that it is included as "broker/core/commands.pb.h".
    set(generated)
    foreach(proto ${protos})
      file(RELATIVE_PATH stem ${CMAKE_SOURCE_DIR} ${proto})
      string(REGEX REPLACE "\\.proto$" "" stem ${stem})
      add_custom_command(
        OUTPUT ${CMAKE_BINARY_DIR}/${stem}.pb.cc ${CMAKE_BINARY_DIR}/${stem}.pb.h
        COMMAND protobuf::protoc --cpp_out=${CMAKE_BINARY_DIR} -I${CMAKE_SOURCE_DIR} ${proto}
        DEPENDS ${protos} protobuf::protoc
        COMMENT "Generating ${stem}.pb.h"
        VERBATIM)
      list(APPEND generated ${CMAKE_BINARY_DIR}/${stem}.pb.cc ${CMAKE_BINARY_DIR}/${stem}.pb.h)
    endforeach()
    add_library(${name}_proto OBJECT ${generated})
    target_link_libraries(${name}_proto PUBLIC protobuf::libprotobuf-lite)
    target_include_directories(${name}_proto PUBLIC ${CMAKE_BINARY_DIR})
    target_link_libraries(${name} PUBLIC ${name}_proto protobuf::libprotobuf-lite)
    add_dependencies(${name} ${name}_proto)
  endif()
endfunction()

# sluice_test(NAME DEPENDS target... [LABELS label...]): a GoogleTest executable of the current folder's *.cc files.
# Labels: sim (runs seeds of a simulator), threads (has several threads: worth the thread sanitizer).
function(sluice_test name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;SOURCES;LABELS" ${ARGN})
  if(ARG_SOURCES)
    set(sources ${ARG_SOURCES})
  else()
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  endif()
  if(NOT sources)
    return()
  endif()
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE sluice_flags ${ARG_DEPENDS} GTest::gtest GTest::gtest_main)
  if(NOT "sim" IN_LIST ARG_LABELS)
    target_compile_options(${name} PRIVATE -O0)  # what is tested is optimised; the tests themselves had better compile fast
  endif()
  target_compile_definitions(${name} PRIVATE SLUICE_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_BINARY_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT 900 LABELS "${ARG_LABELS}")
endfunction()
