"""The floor: what Streamlit itself costs with one text, one choice and one line of output."""

import streamlit as st

text = st.text_area("Text to inspect", "The cat sat.", key="text")
head = st.selectbox("Head", [str(number) for number in range(12)], key="head")
st.markdown(f"## echo {head}: {text}")
