/* SPDX-License-Identifier: Apache-2.0 */
/* The doctor on hosts that nobody here has. */
#include "cli/cli_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const osp_ability *ability(const osp_ability *all, const char *name)
{
    for (int i = 0; i < OSP_ABILITIES; i++)
        if (strcmp(all[i].name, name) == 0)
            return &all[i];
    fail_msg("no ability `%s`", name);
    return NULL;
}

static osp_host root_on_a_new_kernel(void)
{
    return (osp_host){.release = "6.12.0",
                      .has_btf = true,
                      .has_bpf_loop = true,
                      .bpf_works = true,
                      .bpf_jit = true,
                      .perf_event_paranoid = 3,
                      .kptr_restrict = 1,
                      .yama_ptrace_scope = 1,
                      .cap_bpf = true,
                      .cap_perfmon = true,
                      .cap_sys_ptrace = true,
                      .cap_sys_admin = true,
                      .cap_syslog = true,
                      .perf_works = true,
                      .hardware_events = true,
                      .ncpu = 8};
}

static void root_can_everything(void **state)
{
    (void)state;
    osp_host h = root_on_a_new_kernel();
    osp_ability a[OSP_ABILITIES];
    osp_abilities(&h, "/usr/bin/osprey", a);
    for (int i = 0; i < OSP_ABILITIES; i++) {
        print_message("# %s\n", a[i].name);
        assert_int_equal(a[i].state, OSP_CAN);
        assert_string_equal(a[i].grant, "");
        assert_true(a[i].why[0]);
    }
}

static void what_is_missing_comes_with_the_command_that_grants_it(void **state)
{
    (void)state;
    osp_host h = {.release = "6.1.0",
                  .has_btf = true,
                  .perf_event_paranoid = 3,
                  .kptr_restrict = 2,
                  .yama_ptrace_scope = 1,
                  .uid = 1000,
                  .ncpu = 2};
    static const char *const want[][2] = {
        {"sample your own processes", "sudo sysctl kernel.perf_event_paranoid=2"},
        {"read your own processes", "sudo sysctl kernel.yama.ptrace_scope=0"},
        {"sample inside the kernel", "sudo setcap cap_perfmon,cap_bpf,cap_sys_ptrace,cap_syslog+ep /opt/osprey"},
        {"complete stacks, by BPF", "sudo setcap cap_perfmon,cap_bpf,cap_sys_ptrace,cap_syslog+ep /opt/osprey"},
        {"processes of other users", "sudo setcap cap_perfmon,cap_bpf,cap_sys_ptrace,cap_syslog+ep /opt/osprey"},
        {"names of kernel functions", "sudo sysctl kernel.kptr_restrict=0"},
        {"hardware counters", "sudo sysctl kernel.perf_event_paranoid=2"},
    };
    osp_ability a[OSP_ABILITIES];
    osp_abilities(&h, "/opt/osprey", a);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        print_message("# %s\n", want[i][0]);
        assert_int_equal(ability(a, want[i][0])->state, OSP_CANNOT);
        assert_string_equal(ability(a, want[i][0])->grant, want[i][1]);
    }
    assert_int_equal(ability(a, "analyse files")->state, OSP_CAN);
}

static void an_interpreted_bpf_comes_with_the_command_that_compiles_it(void **state)
{
    (void)state;
    osp_host h = root_on_a_new_kernel();
    osp_ability a[OSP_ABILITIES];
    h.bpf_jit = false;
    osp_abilities(&h, "osprey", a);
    assert_int_equal(ability(a, "complete stacks, by BPF")->state, OSP_CANNOT);
    assert_string_equal(ability(a, "complete stacks, by BPF")->grant, "sudo sysctl net.core.bpf_jit_enable=1");
}

static void what_no_command_grants_is_not_promised(void **state)
{
    (void)state;
    osp_host h = root_on_a_new_kernel();
    osp_ability a[OSP_ABILITIES];
    h.hardware_events = false;
    h.has_bpf_loop = false;
    h.yama_ptrace_scope = 3;
    osp_abilities(&h, "osprey", a);
    assert_int_equal(ability(a, "hardware counters")->state, OSP_NOT_OFFERED);
    assert_int_equal(ability(a, "read your own processes")->state, OSP_NOT_OFFERED);
    assert_int_equal(ability(a, "complete stacks, by BPF")->state, OSP_NOT_OFFERED);
    assert_string_equal(ability(a, "complete stacks, by BPF")->why, "needs Linux 5.17 or newer");
    h.locked_down = true;
    osp_abilities(&h, "osprey", a);
    assert_string_equal(ability(a, "complete stacks, by BPF")->why, "the kernel is locked down for confidentiality");
    h.locked_down = false;
    h.has_btf = false;
    osp_abilities(&h, "osprey", a);
    assert_non_null(strstr(ability(a, "complete stacks, by BPF")->why, "BTF"));
    h.bpf_works = false;
    osp_abilities(&h, "osprey", a);
    assert_non_null(strstr(ability(a, "complete stacks, by BPF")->why, "loads no BPF"));
    for (int i = 0; i < OSP_ABILITIES; i++)
        assert_true(a[i].state == OSP_CANNOT || a[i].grant[0] == 0);
}

static void what_works_is_not_called_forbidden(void **state)
{
    (void)state;
    osp_host h = {.release = "6.18.0", .perf_event_paranoid = 4, .perf_works = true, .uid = 1000};
    osp_ability a[OSP_ABILITIES];
    osp_abilities(&h, "osprey", a);
    assert_int_equal(ability(a, "sample your own processes")->state, OSP_CAN);
    assert_int_equal(ability(a, "hardware counters")->state, OSP_NOT_OFFERED);
    h.perf_works = false;
    h.perf_event_paranoid = 1;
    osp_abilities(&h, "osprey", a);
    assert_int_equal(ability(a, "sample your own processes")->state, OSP_CANNOT);
    assert_non_null(strstr(ability(a, "sample your own processes")->why, "seccomp"));
}

static void an_open_host_needs_no_capability_for_own_processes(void **state)
{
    (void)state;
    osp_host h = {.release = "6.8.0",
                  .has_btf = true,
                  .perf_event_paranoid = -1,
                  .yama_ptrace_scope = -1,
                  .perf_works = true,
                  .hardware_events = true,
                  .uid = 1000};
    osp_ability a[OSP_ABILITIES];
    osp_abilities(&h, "osprey", a);
    assert_int_equal(ability(a, "sample your own processes")->state, OSP_CAN);
    assert_int_equal(ability(a, "read your own processes")->state, OSP_CAN);
    assert_int_equal(ability(a, "sample inside the kernel")->state, OSP_CAN);
    assert_int_equal(ability(a, "names of kernel functions")->state, OSP_CAN);
    assert_int_equal(ability(a, "complete stacks, by BPF")->state, OSP_CANNOT);
    assert_string_equal(ability(a, "complete stacks, by BPF")->why, "no CAP_BPF, CAP_PERFMON");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(root_can_everything),
        cmocka_unit_test(what_is_missing_comes_with_the_command_that_grants_it),
        cmocka_unit_test(an_interpreted_bpf_comes_with_the_command_that_compiles_it),
        cmocka_unit_test(what_no_command_grants_is_not_promised),
        cmocka_unit_test(what_works_is_not_called_forbidden),
        cmocka_unit_test(an_open_host_needs_no_capability_for_own_processes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
