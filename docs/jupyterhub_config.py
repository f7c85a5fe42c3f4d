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
    if not os.path.isdir(build):
        os.mkdir(build)
        for name in os.listdir(WORKBOOK + "/build"):
            if os.path.isfile(os.path.join(WORKBOOK, "build", name)):
                os.link(os.path.join(WORKBOOK, "build", name), os.path.join(build, name))
        os.chown(build, user.pw_uid, user.pw_gid)  # of the folder: a file that is made again replaces the link
    as_user("env", "PYTHONPATH=" + mine, PYTHON, mine + "/notebooks/lab.py", "--copies")
    spawner.environment = {
        "PYTHONPATH": mine,  # helpers come from the learner's clone, packages from the shared environment
        "JUPYTER_CONFIG_PATH": mine + "/notebooks/lab_settings",
        "OMP_NUM_THREADS": "2"}


c.Spawner.pre_spawn_hook = prepare
