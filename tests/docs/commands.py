"""Which test runs each command of README and docs, and which commands none runs.

A key stands for the commands that begin with its words and have its options; the longest key decides. A value is the
test that runs the command with these options (with arguments of its own), or `not run: ` and why. Either way the
command is read by Click, make or the file system in test_commands.py.
"""

from __future__ import annotations

from typing import Final

_CLI: Final = "tests/integration/test_cli.py::"
_CENTRES: Final = "tests/integration/test_centres.py::"
_PUSH: Final = "tests/ingest/push/test_command.py::"
_ACCOUNT: Final = "tests/crash/test_account.py::"
_MODELS: Final = "tests/integration/test_models.py::"
_REPROCESS: Final = "tests/integration/test_reprocess.py::"
_REFRESH: Final = "tests/integration/test_refresh.py::"
_REVIEWS: Final = "tests/integration/test_reviews.py::"
_SHADOW: Final = "tests/integration/test_shadow.py::"
_STUDY: Final = "tests/training/experiments/test_studies.py::"
_STACK: Final = "tests/integration/test_stack.py::"
_FILTERED: Final = "not run: with these filters; without them it is"
_QUERIES: Final = "not run: with filters; what is asked for is tested by tests/ingest/backfill/test_solr.py"
_ENGINE: Final = "not run: needs a container engine; python -m deploy.containers.trial uses it so"
_CLUSTER: Final = "not run: needs a cluster"
_SYSTEM: Final = "not run: a tool of the system, not ours"
_BODIES: Final = "not run: with the bodies of a model repository; with a run's own it is"
_LONG: Final = "not run: it would take the tests' whole time once more"

TESTS: Final[dict[str, str]] = {
    # set up
    "make demo": "not run: it is `make setup` and `xray demo`, which are",
    "make setup": "not run: it makes the environment that the tests run in",
    "make setup-dev": "not run: it makes the environment that the tests run in",
    "make test": _LONG,
    "make test-unit": _LONG,
    "make check": _LONG,
    "source": "not run: opens the environment that the tests run in",
    "pre-commit install": "not run: changes the clone",
    "pip install": "not run: what it installs is in the tests' environment",
    # xray
    "xray stack up": "not run: by its name; Stack.up, all that it calls, is run by tests/integration/test_stack.py",
    "xray stack down": "not run: by its name; Stack.down, all that it calls, is run by tests/integration/test_stack.py",
    "xray stack status": "tests/deploy/local/test_command.py::test_status_of_a_stopped_stack_fails_and_says_so",
    "xray stack logs -f": "not run: it follows until it is interrupted",
    "xray init": f"{_CLI}test_init_again_changes_nothing",
    "xray run all": "tests/integration/test_run_all.py::test_all_services_run_are_started_again_and_stop_cleanly",
    "xray demo --keep": "not run: it leaves servers behind",
    "xray push": f"{_CLI}test_push_says_what_it_leaves_out_and_why",
    "xray push --specimen-from": f"{_PUSH}test_the_specimen_comes_from_the_file_name",
    "xray push --write-manifest": f"{_PUSH}test_a_written_manifest_has_certain_values_and_empty_cells",
    "xray push --manifest": f"{_PUSH}test_a_written_manifest_has_certain_values_and_empty_cells",
    "xray push --dcc": f"{_CENTRES}test_a_submission_is_pushed_once_accounted_for_and_completed",
    "xray push --dcc --dry-run": "tests/ingest/dcc/test_page.py::test_the_example_is_true",
    "xray push --dcc --media": "not run: where it looks is tested by tests/ingest/dcc/test_media.py",
    "xray backfill --dry-run": "tests/ingest/backfill/test_command.py::test_a_dry_run_counts_and_downloads_nothing",
    "xray backfill --centre --gene": _QUERIES,
    "xray backfill --view --procedure": _QUERIES,
    "xray backfill --only --rate": "not run: asks IMPC's own server",
    "xray calls": f"{_CLI}test_a_call_is_listed_and_shown_with_its_lineage",
    "xray calls --limit": _FILTERED,
    "xray calls --follow": f"{_CLI}test_follow_and_the_example_subscriber_print_new_calls",
    "xray review": f"{_REVIEWS}test_a_review_is_shown_beside_the_call_kept_and_traced",
    "xray review --file": f"{_REVIEWS}test_a_poisoned_line_costs_no_other_and_sending_again_adds_nothing",
    "xray specimens": f"{_CLI}test_specimens_are_counted_and_the_incomplete_ones_named",
    "xray specimens --centre": _FILTERED,
    "xray models list": f"{_MODELS}test_an_operator_brings_promotes_and_takes_back_a_version",
    "xray models show": f"{_MODELS}test_an_operator_brings_promotes_and_takes_back_a_version",
    "xray models add": f"{_MODELS}test_an_operator_brings_promotes_and_takes_back_a_version",
    "xray models promote": f"{_MODELS}test_an_operator_brings_promotes_and_takes_back_a_version",
    "xray models rollback": f"{_MODELS}test_an_operator_brings_promotes_and_takes_back_a_version",
    "xray models promote --after-shadowed": f"{_SHADOW}test_the_commands_show_it_and_hold_to_it",
    "xray models shadow": f"{_SHADOW}test_a_candidate_that_answers_nan_changes_no_call",
    "xray models shadow --stop": f"{_SHADOW}test_a_dead_candidate_is_stopped_and_retired_without_harm",
    "xray models retire": f"{_SHADOW}test_a_dead_candidate_is_stopped_and_retired_without_harm",
    "xray reprocess --dry-run": f"{_REPROCESS}test_a_new_version_calls_every_past_specimen_and_history_stays",
    "xray reprocess --centre --since": f"{_REPROCESS}test_a_new_version_calls_every_past_specimen_and_history_stays",
    "xray reprocess --limit --rate": f"{_REPROCESS}test_a_new_version_calls_every_past_specimen_and_history_stays",
    "xray reprocess --from-originals": f"{_REPROCESS}test_from_the_originals_every_image_is_standardised_anew",
    "xray rejections list": f"{_CLI}test_a_rejection_is_shown_saved_and_replayed_byte_for_byte",
    "xray rejections list --since": _FILTERED,
    "xray rejections show": f"{_CLI}test_a_rejection_is_shown_saved_and_replayed_byte_for_byte",
    "xray rejections replay": f"{_CLI}test_a_rejection_is_shown_saved_and_replayed_byte_for_byte",
    "xray statistics": "tests/monitor/test_service.py::test_a_recount_agrees",
    "xray statistics --centre": _FILTERED,
    "xray status": f"{_CLI}test_status_is_well_and_names_who_waits",
    "xray reconcile": f"{_ACCOUNT}test_the_account_adds_up_after_every_service_was_killed",
    "xray reconcile --since": _FILTERED,
    "xray reconcile --announce-again": (
        f"{_ACCOUNT}test_an_image_that_intake_was_made_to_pass_over_is_missed_until_it_is_announced_again"
    ),
    "xray trace": f"{_ACCOUNT}test_a_specimen_is_traced_by_any_of_its_ids_through_every_service",
    "xray train labels": "tests/training/labels/test_command.py::test_all_kinds_of_sources_in_any_order_make_one_set",
    "xray train labels --stored": f"{_CENTRES}test_a_submission_is_pushed_once_accounted_for_and_completed",
    "xray train collect": f"{_REVIEWS}test_a_dataset_is_collected_the_same_again_and_anew_after_a_verdict",
    "xray train models --config": "not run: it trains for hours; its steps are tested small by tests/training",
    "xray train models --share": f"{_STUDY}test_models_that_learnt_from_a_share_are_exported_and_lie_apart",
    "xray train collect --no-ledger --from-set": (
        "tests/training/datasets/collect/test_command.py::test_without_servers"
    ),
    "xray train evaluate": (
        "tests/training/evaluation/test_command.py::"
        "test_the_folder_holds_a_report_a_table_and_every_figure_that_the_report_shows"
    ),
    "xray train combine": (
        "tests/training/experiments/view_fusion/test_command.py::test_every_way_is_judged_on_the_same_test_specimens"
    ),
    "xray train study": f"{_STUDY}test_study_trains_judges_and_does_nothing_twice",
    "xray train study --heads-only": f"{_STUDY}test_heads_only_trains_one_body_and_heads_for_each_seed_and_input",
    "xray train study --heads-only --bodies": _BODIES,
    "xray train variants --bodies": _BODIES,
    "xray train refresh": f"{_REFRESH}test_killed_at_every_step_what_serves_goes_on_and_the_last_run_promotes_once",
    "xray train refresh --dataset": (
        f"{_REFRESH}test_killed_at_every_step_what_serves_goes_on_and_the_last_run_promotes_once"
    ),
    "xray train refresh --labels": (
        "not run: by its name; what it collects is tested by tests/training/datasets/collect"
    ),
    "xray train refresh --watch": "not run: it stays; when it is due is tested by tests/training/refresh/test_watch.py",
    "xray train export --target": "not run: by its name; its files are tested by tests/training/export/test_targets.py",
    # programs of ours
    "python -m deploy.containers.trial": "not run: needs a container engine, or root on Debian, and some minutes",
    "python examples/subscriber.py": f"{_CLI}test_follow_and_the_example_subscriber_print_new_calls",
    "python examples/resumable_subscriber.py": (
        "tests/examples/test_resumable_subscriber.py::test_the_current_calls_are_kept_through_kill_and_repetition"
    ),
    # others
    "docker compose": _ENGINE,
    "docker compose --profile --scale": "not run: needs a GPU; tests/deploy/test_compose_gpu.py reads the profile",
    "docker build": "not run: needs a container engine; python -m deploy.containers.trial builds other targets so",
    "docker run": "not run: needs a GPU; the job is tested by tests/training/export/test_build_plan.py",
    "kubectl": _CLUSTER,
    "kubectl apply": "not run: needs a cluster; what it applies is tested by tests/deploy/kubernetes",
    "kafka-consumer-groups.sh": "not run: moves a group's offsets by hand; comes with Kafka",
    "connect-standalone.sh": "not run: by its name; tests/examples/test_kafka_connect.py runs its class, when asked",
    "psql": "not run: a tool of the system; tests/examples/test_kafka_connect.py makes the tables of the same file",
    "uv pip compile": "not run: asks a package registry",
    "export": _SYSTEM,
    "grep": _SYSTEM,
    "jq": _SYSTEM,
    "printf": _SYSTEM,
}
