"""JupyterHub for a room with the workbook: docs/classroom.md. Read by `jupyterhub -f`."""
import os
import pwd
import subprocess

WORKBOOK = os.environ.get("WORKBOOK_ROOT", "/opt/workbook")
PYTHON = WORKBOOK + "/.venv/py3.11/bin/python"

c = get_config()  # noqa: F821
c.JupyterHub.bind_url = "http://:8000"
c.Authenticator.allow_all = True  # every account of this machine; PAM asks for its password
c.Spawner.cmd = ["/opt/hub/bin/jupyterhub-singleuser"]
c.Spawner.notebook_dir = "~/workbook"
c.Spawner.default_url = "/lab/tree/my_notebooks/00_start_here.ipynb"
c.Spawner.args = ["--LabApp.news_url=None", "--MappingKernelManager.cull_idle_timeout=3600"]
c.Spawner.start_timeout = 120


def link_files(build, uid):
    """Link the files of the workbook's build folder into a learner's. Root writes here in a folder that the learner can replace
    by a link at any moment, so it is opened once, without following one, and must be theirs."""
    folder = os.open(build, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(folder).st_uid != uid:
            raise PermissionError("%s does not belong to the learner" % build)
        for entry in os.scandir(os.path.join(WORKBOOK, "build")):
            if entry.is_file(follow_symlinks=False) and not entry.name.startswith("."):
                os.link(entry.path, entry.name, dst_dir_fd=folder)
    finally:
        os.close(folder)


def prepare(spawner):
    """Before a learner's server starts: their clone, their copies of the notebooks, links to the files that are made."""
    user = pwd.getpwnam(spawner.user.name)
    mine = os.path.join(user.pw_dir, "workbook")

    def as_user(*command):
        subprocess.run(["runuser", "-u", user.pw_name, "--", "env", "HOME=" + user.pw_dir] + list(command), check=True)

    if not os.path.isdir(mine):
        as_user("git", "clone", "--quiet", "--depth", "1", "file://" + WORKBOOK, mine)
    else:
        as_user("git", "-C", mine, "pull", "--quiet", "--ff-only")
    build = os.path.join(mine, "build")
    if not os.path.lexists(build):
        as_user("mkdir", build)  # theirs: a file that is made again replaces the link
        link_files(build, user.pw_uid)
    as_user("env", "PYTHONPATH=" + mine, PYTHON, mine + "/notebooks/lab.py", "--copies")
    spawner.environment = {
        "PYTHONPATH": mine,  # helpers come from the learner's clone, packages from the shared environment
        "JUPYTER_CONFIG_PATH": mine + "/notebooks/lab_settings",
        "ORT_DISABLE_TELEMETRY": "1",
        "OMP_NUM_THREADS": "2"}


c.Spawner.pre_spawn_hook = prepare
