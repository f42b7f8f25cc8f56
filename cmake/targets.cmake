# How every module, test program and plain program of this project is made. All of them take their files from globs,
# so a new file needs no edit here, and a folder without files makes no target.
include_guard(GLOBAL)

# resilience_glob(<variable> <pattern>...): files under the current folder, watched for additions by the build.
function(resilience_glob variable)
    list(TRANSFORM ARGN PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/")
    file(GLOB_RECURSE found CONFIGURE_DEPENDS ${ARGN})
    set(${variable} "${found}" PARENT_SCOPE)
endfunction()

# resilience_add_module(<name> [LINK <target>...]): `resilience_<name>`, alias `resilience::<name>`, made of include/
# and src/. A module without sources is header-only; one without any file is not made at all.
function(resilience_add_module name)
    cmake_parse_arguments(PARSE_ARGV 1 module "" "" "LINK")
    resilience_glob(headers "include/*.hpp")
    resilience_glob(sources "src/*.cpp")
    list(FILTER sources EXCLUDE REGEX "_(test|must_not_compile)\\.cpp$")
    if(NOT headers AND NOT sources)
        return()
    endif()
    set(target resilience_${name})
    if(sources)
        add_library(${target} STATIC ${sources})
        set(scope PUBLIC)
        target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:resilience_warnings>)
        set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON
            UNITY_BUILD ${RESILIENCE_UNITY})
    else()
        add_library(${target} INTERFACE)
        set(scope INTERFACE)
    endif()
    add_library(resilience::${name} ALIAS ${target})
    target_sources(${target} ${scope} FILE_SET HEADERS BASE_DIRS include FILES ${headers})
    target_link_libraries(${target} ${scope} ${module_LINK})
    target_compile_features(${target} ${scope} cxx_std_23)
    set_target_properties(${target} PROPERTIES EXPORT_NAME ${name}
        VERIFY_INTERFACE_HEADER_SETS ${RESILIENCE_BUILD_TESTS})
    set_property(GLOBAL APPEND PROPERTY resilience_modules ${name})
endfunction()

# resilience_add_test_program(<program> SOURCES <file>... LINK <target>... [ALONE]): a GoogleTest program; each TEST is
# a ctest, or with RESILIENCE_WHOLE_TEST_PROGRAMS each quarter of the program. With ALONE nothing else runs beside one
# of them: for tests that load every processor on purpose, or judge what happens in real time.
function(resilience_add_test_program program)
    cmake_parse_arguments(PARSE_ARGV 1 test "ALONE" "" "SOURCES;LINK")
    if(NOT test_SOURCES)
        return()
    endif()
    add_executable(${program} ${test_SOURCES})
    set_target_properties(${program} PROPERTIES UNITY_BUILD ${RESILIENCE_UNITY})
    target_link_libraries(${program} PRIVATE ${test_LINK} GTest::gmock GTest::gtest_main resilience_warnings)
    if(NOT RESILIENCE_WHOLE_TEST_PROGRAMS)
        gtest_discover_tests(${program} DISCOVERY_MODE PRE_TEST NO_PRETTY_VALUES
            PROPERTIES TIMEOUT 240 RUN_SERIAL ${test_ALONE})
        return()
    endif()
    foreach(quarter RANGE 3)
        set(name ${program}.quarter_${quarter})
        add_test(NAME ${name} COMMAND ${program} --gtest_brief=1)
        set_tests_properties(${name} PROPERTIES TIMEOUT 600 RUN_SERIAL ${test_ALONE}
            ENVIRONMENT "GTEST_TOTAL_SHARDS=4;GTEST_SHARD_INDEX=${quarter}")
    endforeach()
endfunction()
