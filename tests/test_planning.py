"""Planning: what Snakemake need not do, and what it is told, without running any job."""


def planned(workspace, *options, **more):
    run = workspace.snakemake("--dry-run", *options, **more)
    assert run.status == 0, run.output
    return run


def test_a_quiet_plan_tells_the_numbers_of_jobs_and_no_job(workspace):
    run = planned(workspace, "--quiet", "all")
    assert "finetune" in run.output
    assert "Reinforcing" not in run.output
    assert "Reinforcing" in planned(workspace).output


def test_parts_of_sections_from_the_command_line_are_run(workspace):
    run = planned(workspace, "--config", "sweep={seeds: [5]}", "figures={png_dpi: 50}")
    assert "seed 5 on" in run.output
    assert "seed 0 on" not in run.output


def test_a_key_written_twice_and_an_octal_seed_stop_snakemake_before_it_plans(workspace):
    path = workspace.folder / "mine.yaml"
    path.write_text("sweep:\n  seeds: [010]\ndevice: cpu\ndevice: cpu\n")
    run = workspace.snakemake("--dry-run", "--configfile", str(path))
    assert run.status == 1
    assert f"{path}, line 2: sweep.seeds[0] is 010" in run.output
    assert f"{path}, line 4: device is written twice" in run.output
    assert "Traceback" not in run.output


def test_settings_of_a_job_are_the_stages_own_with_its_seed(workspace):
    """They are made for all seeds at once."""
    run = planned(workspace, "--printshellcmds", "--config", "sweep={seeds: [17]}")
    assert '"seed":17' in run.output
    assert "{seed}" not in run.output
