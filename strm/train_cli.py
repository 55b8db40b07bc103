"""The commands that teach a model: `strm train` here, `strm kaggle` in the cloud."""

import argparse
from pathlib import Path

from strm.arguments import MODELS, Add, add_csv, count, rate, seed, share

SETTINGS = "epochs batch_size lr sequence_mode seq_len n_latent T_deep dropout seed device precision"
KAGGLE = Path("/kaggle/working")  # what a session on Kaggle leaves behind


def add_train(add: Add) -> None:
    """Add `strm train` to the command line."""
    parser = add("train", "CSV files of landmarks -> a trained model", _train)
    _add_training(parser, MODELS, "cpu")


def _train(args: argparse.Namespace) -> None:
    from strm.train import run

    run(*_training(args))


def add_kaggle(add: Add) -> None:
    """Add `strm kaggle` to the command line: the flags of `strm train`, and one of its own."""
    parser = add("kaggle", "trains on Kaggle or Colab, then uploads by the secrets that it finds", _kaggle)
    _add_training(parser, str(KAGGLE / "models") if KAGGLE.is_dir() else MODELS, "auto")
    parser.add_argument("--hf_private", action="store_true", help="upload to a private repository of the Hub")
    parser.epilog = (
        "The secrets, of the environment, of Kaggle or of Colab: HF_TOKEN and HF_REPO_ID (USER/NAME) send "
        "the model to the Hub; GITHUB_TOKEN, and GITHUB_REPO if your fork is called otherwise, send metrics "
        "and card to a branch of your fork. Without any, all stays in --out_dir."
    )


def _kaggle(args: argparse.Namespace) -> int:
    from strm.kaggle import run

    csv, settings, val_signers, out_dir, fps = _training(args)
    return run(csv, settings, val_signers, out_dir, fps, args.hf_private)


def _add_training(parser: argparse.ArgumentParser, out_dir: str, device: str) -> None:
    """Add what a training needs to know; the last two are its defaults."""
    add_csv(parser, "landmarks to learn from, one file or several (the studio's, in data/studio)", False)
    parser.add_argument("--epochs", type=count, default=100, metavar="N", help="passes over the data (100)")
    parser.add_argument(
        "--batch_size", type=count, default=64, metavar="N", help="rows or clips in a step (64)"
    )
    parser.add_argument("--lr", type=rate, default=1e-3, help="learning rate (1e-3)")
    parser.add_argument("--sequence_mode", action="store_true", help="learn from clips, by true BPTT")
    parser.add_argument(
        "--seq_len", type=count, default=16, metavar="N", help="frames of a clip in a step (16)"
    )
    parser.add_argument("--n_latent", type=count, default=6, metavar="N", help="updates of z in a cycle (6)")
    parser.add_argument("--T_deep", type=count, default=3, metavar="N", help="cycles a frame (3)")
    parser.add_argument("--dropout", type=share, default=0.1, help="share of hidden numbers left out (0.1)")
    parser.add_argument("--seed", type=seed, default=0, help="the same seed gives the same model (0)")
    parser.add_argument(
        "--val_signers",
        nargs="+",
        default=[],
        metavar="NAME",
        help="signers kept apart to choose the best epoch",
    )
    parser.add_argument("--out_dir", default=out_dir, metavar="DIR", help=f"where the model goes ({out_dir})")
    parser.add_argument(
        "--device",
        choices=["cpu", "cuda", "mps", "auto"],
        default=device,
        help=f"where to train ({device}); auto: a GPU where there is one",
    )
    parser.add_argument(
        "--precision",
        choices=["auto", "float32", "bfloat16", "float16"],
        default="auto",
        help="of the products (auto: mixed on a GPU with tensor cores, else float32)",
    )


def _training(args: argparse.Namespace) -> tuple:
    """Return what `strm.train.run` wants: tables, settings, who judges, where the model goes, the rate."""
    from strm.studio.ship import shipped
    from strm.trainer import Settings

    settings = Settings(**{name: getattr(args, name) for name in SETTINGS.split()})
    csv = args.csv or shipped(args.sequence_mode)
    return csv, settings, args.val_signers, args.out_dir, args.fps
