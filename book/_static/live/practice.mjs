// Practice: spell a word, see which letter comes next and how it looks, and count.

const find = (id) => document.getElementById(id);

export class Practice {
  constructor(alphabet) {
    this.alphabet = alphabet; // the letters that there are pictures of
    this.word = "";
  }

  // Begin a word; returns what to say. Letters that the alphabet lacks are left out.
  begin(text) {
    const known = [...text.toUpperCase()].filter((letter) => this.alphabet.includes(letter));
    this.word = known.join("");
    this.at = this.wrong = 0;
    this.missed = null; // the letter that was wrong last, until the next one
    const items = known.map((letter) => {
      const item = document.createElement("li"), picture = document.createElement("img");
      picture.src = `letters/${letter}.jpg`;
      picture.alt = `A drawn hand that shows ${letter}`;
      item.append(picture, letter);
      return item;
    });
    find("letters").replaceChildren(...items);
    this.mark();
    return this.word ? `Spell ${this.word}.` : "Type a word of letters from A to Z.";
  }

  // A letter was written. Returns what to say.
  take(committed, replaced) {
    if (!this.word || this.at >= this.word.length) return "";
    // The start of a movement is not wrong: it is replaced when the movement comes.
    if (replaced && this.missed === replaced) this.wrong -= 1;
    this.missed = null;
    if (committed === this.word[this.at]) this.at += 1;
    else {
      this.missed = committed;
      this.wrong += 1;
    }
    this.mark();
    const rest = this.word.length - this.at;
    if (!rest) return `${this.word}: done, with ${this.wrong} wrong on the way.`;
    return `${this.at} of ${this.word.length}; next is ${this.word[this.at]}.`;
  }

  mark() {
    [...find("letters").children].forEach((item, i) => {
      if (i === this.at) item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
    });
  }
}
