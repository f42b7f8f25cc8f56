# Installs each module as a component of one CMake package, the program, and a pkg-config file for the core.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/resilience)

get_property(modules GLOBAL PROPERTY resilience_modules)
foreach(module IN LISTS modules)
    install(TARGETS resilience_${module} EXPORT resilience-${module}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT ${module}
        FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT ${module})
    install(EXPORT resilience-${module} NAMESPACE resilience:: FILE resilience-${module}-targets.cmake
        DESTINATION ${package_dir} COMPONENT ${module})
endforeach()
if(TARGET resilience)
    install(TARGETS resilience RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
endif()

configure_package_config_file(cmake/resilience-config.cmake.in ${PROJECT_BINARY_DIR}/resilience-config.cmake
    INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/resilience-config-version.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/resilience-config.cmake ${PROJECT_BINARY_DIR}/resilience-config-version.cmake
    DESTINATION ${package_dir} COMPONENT core)

# The way up from the pkg-config file to the prefix, so that an installed tree may be moved.
file(RELATIVE_PATH prefix_from_pkgconfig /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/resilience.pc.in ${PROJECT_BINARY_DIR}/resilience.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/resilience.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT core)
